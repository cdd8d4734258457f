// Lawn: blades, tufts, worn and lush patches.

void surface(inout Surface s) {
    float blade = texture(noise, region.xy * 0.9).g, tuft = texture(noise, region.xy * 0.19 + region.z).g;
    float lush = texture(noise, region.xy * 0.027 + region.z).r;
    s.base *= (0.55 + 0.9 * blade) * (0.8 + 0.4 * tuft) * mix(vec3(1.25, 1.12, 0.85), vec3(0.72, 0.82, 0.8), lush);
    s.openness = 0.75 + 0.4 * blade;
}
