// A brick wall in running bond; u and v are metres.

void surface(inout Surface s) {
    vec2 at = region.xy * vec2(4.2, 13.0), step_size = fwidth(at);
    at.x += 0.5 * mod(floor(at.y), 2.0);
    vec2 within = fract(at);
    float mortar = step(0.05, within.x) * step(0.14, within.y), far = smoothstep(0.12, 0.5, max(step_size.x, step_size.y));
    vec3 joint = mix(s.base, vec3(0.42), 0.55), brick = s.base * (0.75 + 0.45 * random(floor(at) + region.z));
    s.base = mix(mix(joint, brick, mortar), mix(joint, s.base * 0.97, 0.8), far);
    s.base *= 0.8 + 0.35 * texture(noise, region.xy * 0.07 + region.z).r;
}
