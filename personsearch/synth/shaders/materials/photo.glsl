// A photographed material, which main.glsl has put into s.base already; wet ground mirrors the sky.

void surface(inout Surface s) {
    float stain = texture(noise, position.xz * 0.06 + region.z).r;
    s.base *= (0.9 + 0.2 * stain) * (1.0 - 0.4 * wetness * max(s.normal.y, 0.0));
    s.mirror = wetness * 0.5 * max(s.normal.y, 0.0) * smoothstep(0.44, 0.62, stain);
}
