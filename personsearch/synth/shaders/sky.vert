uniform mat4 from_clip;
out vec3 direction;

void main() {
    vec2 corner = vec2(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1);  // one triangle covers the picture
    vec4 far = from_clip * vec4(corner, 1, 1), near = from_clip * vec4(corner, -1, 1);
    direction = far.xyz / far.w - near.xyz / near.w;
    gl_Position = vec4(corner, 1, 1);
}
