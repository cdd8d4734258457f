// Gravel, sand, trodden earth: fine grains, darker where it is wet.

void surface(inout Surface s) {
    float grain = texture(noise, region.xy * 1.7).g, coarse = texture(noise, region.xy * 0.23).g;
    float patches = texture(noise, region.xy * 0.05 + region.z).r;
    s.base *= (0.72 + 0.56 * grain) * (0.9 + 0.2 * coarse) * (0.78 + 0.44 * patches) * (1.0 - 0.35 * wetness);
    s.mirror = wetness * 0.6 * smoothstep(0.54, 0.68, patches);
    s.openness = 0.85 + 0.3 * grain;
}
