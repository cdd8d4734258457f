// An eyeball that looks forwards in the head's rest frame.

uniform vec3 iris, middle;
uniform float radius;

bool hidden() { return false; }

void surface(inout Surface s) {
    float off = length(rest.xy - middle.xy) / radius;
    s.base = off < 0.2 ? vec3(0.01) : mix(iris, vec3(0.62, 0.6, 0.58), smoothstep(0.46, 0.54, off));
    s.gloss = 0.3;
    s.openness = 0.75;
}
