// Smooth wood with its grain; it runs along u, for seeds above 0.5 along v. u and v are metres.

void surface(inout Surface s) {
    vec2 at = region.z > 0.5 ? region.yx : region.xy;
    float streak = texture(noise, vec2(at.x * 0.11, at.y * 1.9) + region.z).g;
    float band = texture(noise, vec2(at.x * 0.05 + 0.4 * streak * 0.1, at.y * 0.6) + region.z * 3.0).r;
    s.base *= (0.6 + 0.5 * streak + 0.35 * band) * mix(vec3(0.92, 0.97, 1.04), vec3(1.06, 1.0, 0.9), band);
    s.gloss = 0.12;
}
