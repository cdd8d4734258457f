// Bricks in a running bond, on walls and on the ground; u counts bricks, v pairs of courses.

void surface(inout Surface s) {
    vec2 at = vec2(region.x, region.y * 2.0);
    at.x += 0.5 * mod(floor(at.y), 2.0);
    vec2 within = fract(at);
    float mortar = step(0.06, within.x) * step(0.1, within.y);
    float far = smoothstep(0.2, 0.8, max(fwidth(region.x), 2.0 * fwidth(region.y)));
    vec3 brick = s.base * (0.75 + 0.45 * random(floor(at) + region.z));
    s.base = mix(mix(vec3(0.4), brick, mortar), mix(vec3(0.4), s.base * 0.97, 0.86), far);
    s.base *= 1.0 - 0.35 * wetness;
}
