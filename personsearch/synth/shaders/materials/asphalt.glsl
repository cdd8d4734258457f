// Asphalt and concrete: mottled, with stains, joints sealed with tar, and puddles.

void surface(inout Surface s) {
    float stain = texture(noise, region.xy * 0.083 + region.z).r, broad = texture(noise, region.xy * 0.021 + region.z).r;
    float grain = texture(noise, region.xy * 0.9).g, line = abs(texture(noise, region.xy * 0.047 + region.z).r - 0.5);
    s.base *= (0.72 + 0.3 * broad + 0.16 * stain) * (0.86 + 0.28 * grain) * mix(0.78, 1.0, smoothstep(0.0, 0.006, line));
    float puddle = smoothstep(0.52, 0.66, stain);
    s.mirror = wetness * (0.12 + 0.55 * puddle);
    s.base *= 1.0 - wetness * (0.4 + 0.25 * puddle);
}
