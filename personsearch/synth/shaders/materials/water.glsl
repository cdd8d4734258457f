// Still water.

void surface(inout Surface s) {
    vec4 ripple = texture(noise, region.xy * 0.06);
    s.normal = normalize(s.normal + vec3(ripple.b - 0.5, 0, ripple.a - 0.5) * 0.12);
    s.gloss = 0.6;
    s.mirror = 1.0;
}
