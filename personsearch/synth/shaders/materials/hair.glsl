// Hair: strands by noise, a ragged hairline and ragged ends.

uniform vec3 base;
uniform float layer, seed, ends;
uniform vec4 face_opening;  // half width, y of its middle, half height, z from which it is open; metres of the rest pose

float strand(float fineness) {
    return texture(noise, vec2(atan(rest.x, rest.z - 0.02) * fineness + seed, rest.y * 1.1 + seed)).g;
}

bool hidden() {
    float lock = strand(0.9);
    if (rest.y < ends + 0.05 * (lock - 0.5)) return true;
    vec2 in_face = vec2(rest.x / max(face_opening.x, 1e-3), (rest.y - face_opening.y) / max(face_opening.z, 1e-3));
    if (rest.z > face_opening.w && dot(in_face, in_face) < 1.0) return true;
    return region.w < 0.02 + 0.07 * (lock - 0.3) + 0.03 * layer || (layer > 0.5 && strand(3.0) < 0.42 && region.w < 0.9);
}

void surface(inout Surface s) {
    float fine = strand(3.0), lock = strand(0.9);
    s.base = base * (0.45 + 0.7 * fine + 0.35 * lock);
    s.normal = normalize(s.normal + vec3(fine - 0.5, 0, lock - 0.5) * 0.5);
    s.gloss = 0.12 + 0.3 * fine * fine;
    s.openness = 0.75 + 0.35 * layer * lock;
}
