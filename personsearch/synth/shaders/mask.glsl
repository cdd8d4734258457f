// Draws where something is, not what it looks like: for shadows, and for a person alone.

void main() {
#ifdef PEOPLE
    if (hidden()) discard;
#endif
    pixel = vec4(1);
}
