// Asphalt, concrete, sand: mottled, with stains and puddles.

void surface(inout Surface s) {
    vec3 stain = texture(noise, region.xy * 0.21).rrr;
    s.base *= 0.75 + 0.35 * texture(noise, region.xy * 0.05 + region.z).r + 0.3 * (texture(noise, region.xy * 0.9).g - 0.5);
    s.base *= mix(1.0, 0.86, smoothstep(0.55, 0.66, stain.r));
    s.mirror = wetness * smoothstep(0.42, 0.6, stain.r);
    s.base *= 1.0 - 0.45 * wetness;
}
