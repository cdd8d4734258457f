// The face of a lamp, which glows whatever light falls on it.

void surface(inout Surface s) {
    s.glow = s.base * 0.9;
    s.base *= 0.1;
}
