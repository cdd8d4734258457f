// A wall with windows; u and v count windows. At night some are lit.

void surface(inout Surface s) {
    vec2 at = fract(region.xy), cell = floor(region.xy);
    float window = step(0.2, at.x) * step(at.x, 0.8) * step(0.25, at.y) * step(at.y, 0.85);
    float chance = random(cell + region.z), night = smoothstep(0.5, 0.2, sky.r + sky.g + sky.b);
    vec3 glass = mix(vec3(0.05, 0.06, 0.08), sky * 0.6, chance * 0.8);
    float curtain = step(0.6, random(cell + region.z + 3.0)) * step(at.y, 0.25 + 0.6 * random(cell + 7.0));
    glass = mix(glass, vec3(0.5, 0.45, 0.4) * (0.4 + chance), curtain);
    vec3 wall = s.base * (0.7 + 0.45 * texture(noise, region.xy * 0.13 + region.z).r);
    float frame = smoothstep(0.0, 0.05, min(abs(at.x - 0.2), abs(at.x - 0.8)) + min(abs(at.y - 0.25), abs(at.y - 0.85)));
    s.base = mix(wall, glass, window) * mix(0.8, 1.0, frame);
    s.gloss = window * 0.5;
    s.glow = vec3(0.55, 0.42, 0.24) * window * night * step(0.72, chance) * (0.4 + 0.6 * random(cell + 11.0));
}
