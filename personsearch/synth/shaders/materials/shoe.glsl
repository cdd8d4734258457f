// Shoes and boots with a sole of another colour.

uniform vec3 base, trim;
uniform float trim_below, leg_from, gloss;

bool hidden() { return region.y < leg_from; }

void surface(inout Surface s) {
    s.base = rest.y < trim_below ? trim : base;
    s.base *= 0.9 + 0.2 * texture(noise, rest.zx * 4.0).r;
    s.openness = rest.y < trim_below ? 0.7 : 1.0;
    s.gloss = gloss;
}
