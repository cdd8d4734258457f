// A wall with windows, some of which are lit in the dark; u and v count windows.

void surface(inout Surface s) {
    vec2 at = fract(region.xy), size = vec2(0.25 + 0.16 * region.z, 0.29 + 0.07 * fract(region.z * 5.0));
    vec3 chance = fract(random(floor(region.xy) + region.z) * vec3(1.0, 57.3, 131.7));
    float far = smoothstep(0.08, 0.4, max(fwidth(region.x), fwidth(region.y))), dark = smoothstep(1.0, 0.4, dot(sky, vec3(1)));
    vec2 off = (at - vec2(0.5, 0.53)) / size, within = abs(off);
    float edge = max(within.x, within.y), window = step(edge, 1.0), pane = step(edge, 0.86) * step(0.06, within.x);
    vec3 wall = s.base * (0.86 + 0.24 * texture(noise, region.xy * 0.11 + region.z).r);
    wall *= 1.0 - 0.2 * step(within.x, 1.08) * smoothstep(-1.3, -1.0, off.y);  // a sill's shade and rain marks
    float curtain = step(0.55, chance.y) * max(step(0.62, within.x), step(1.0 - 1.6 * chance.x, off.y));
    vec3 inside = mix(vec3(0.03, 0.04, 0.05) + 0.05 * chance.x, vec3(0.38, 0.35, 0.31) * (0.5 + chance.z), 0.8 * curtain);
    s.base = mix(wall, mix(mix(wall, vec3(0.5), 0.6), inside, pane), window);
    s.base = mix(s.base, mix(wall, vec3(0.06, 0.07, 0.08), 0.4), far);
    s.mirror = pane * (1.0 - far) * (1.0 - 0.6 * curtain);
    s.normal = normalize(s.normal + pane * 0.12 * (chance - 0.5));
    s.glow = vec3(0.6, 0.46, 0.26) * pane * dark * step(0.6, chance.z) * (0.25 + 0.6 * chance.y) * (0.7 + 0.3 * at.y);
}
