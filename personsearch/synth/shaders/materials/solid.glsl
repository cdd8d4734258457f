// Plain things that people wear or carry; ribs = knitted ribs per metre, 0 = none.

uniform vec3 base;
uniform float gloss, ribs;

bool hidden() { return false; }

void surface(inout Surface s) {
    s.base = base * (0.85 + 0.3 * texture(noise, rest.xy * 3.0 + rest.zx).r) * (1.0 - 0.25 * step(0.5, fract(rest.x * ribs)) * step(1.0, ribs));
    s.gloss = gloss;
}
