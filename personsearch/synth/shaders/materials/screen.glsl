// A dark screen that is switched off: glossy, with the faint reflections of a window and of the room; u, v are metres.

void surface(inout Surface s) {
    vec2 at = (region.xy - vec2(0.25 + 0.6 * region.z, 0.32)) / vec2(0.16, 0.2);
    at.x += 0.35 * at.y * (region.z - 0.5);
    vec2 off = abs(at);
    float window = smoothstep(1.1, 0.9, off.x) * smoothstep(1.1, 0.9, off.y) * smoothstep(0.03, 0.07, off.x);
    float room = texture(noise, region.xy * 0.21 + region.z).r;
    s.glow = sky * (0.05 * window + 0.05 * smoothstep(0.45, 0.65, room));
    s.gloss = 0.9;
    s.mirror = 0.35;
}
