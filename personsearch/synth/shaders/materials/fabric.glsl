// Woven cloth of curtains, cushions and upholstery, a little worn; u and v are metres. Seeds above 0.6 have stripes.

void surface(inout Surface s) {
    vec4 fold = texture(noise, position.xy * vec2(0.5, 0.23) + position.z * 0.41 + region.z);
    float far = smoothstep(0.002, 0.008, max(fwidth(region.x), fwidth(region.y)));
    float weave = mix(0.8 + 0.4 * texture(noise, region.xy * 7.0).g, 1.0, far);
    s.base *= (0.78 + 0.4 * fold.r) * weave;
    if (region.z > 0.6) s.base *= 1.0 - 0.45 * step(0.62, fract(region.x * 14.0 * region.z));
    s.normal = normalize(s.normal + 0.45 * vec3(fold.b - 0.5, fold.a - 0.5, fold.b - 0.5));
    s.openness = 0.85 + 0.25 * fold.r;
    s.gloss = 0.03;
}
