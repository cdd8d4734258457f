// Shared by all visible surfaces. The file of a material defines
//   void surface(inout Surface s)   sets the properties of the surface at this point
//   bool hidden()                   (people only) true where a garment or the skin is cut away
// and may read the inputs and uniforms below. It declares any other uniforms itself.

in vec3 position;   // world, metres
in vec3 normal;     // world
in vec3 rest;       // people: the body's rest pose, metres; world: the same as position
in vec4 region;     // world: u, v, seed, 0; people: see person.vert
in vec3 colour;     // linear RGB

uniform vec3 eye;
uniform vec3 sun_direction, sun, sky, ground, fog;
uniform float fog_density, wetness;
uniform sampler2D noise;       // r coarse, g fine, b and a slopes of a bumpy surface; tiles, mean 0.5
uniform sampler2D picture;
uniform sampler2D shadow_map;
uniform mat4 shadow_matrix;
uniform float owner;           // 0 = nobody, else (1 + index of the person in the frame) / 255
#ifdef LAMPS
uniform vec3 lamp_position[LAMPS], lamp_colour[LAMPS];
#endif

out vec4 pixel;                // sRGB colour; alpha = owner

struct Surface {
    vec3 base;        // linear reflectance
    vec3 normal;
    float openness;   // 1 = open to the sky, 0 = in a fold
    float gloss;      // strength of highlights
    float mirror;     // 0..1: how strongly it mirrors the sky at grazing angles (wet ground, glass, paint)
    vec3 glow;        // emitted light
};

float random(vec2 cell) { return fract(sin(dot(cell, vec2(127.1, 311.7))) * 43758.5453); }

float sunlit(vec3 at) {
    vec3 p = (shadow_matrix * vec4(at, 1)).xyz * 0.5 + 0.5;
    if (any(lessThan(p, vec3(0))) || any(greaterThan(p, vec3(1)))) return 1.0;
    vec2 texel = 0.7 / vec2(textureSize(shadow_map, 0));
    float depth = p.z - 0.002, lit = 0.0;
    lit += step(depth, texture(shadow_map, p.xy + texel * vec2(-1, -1)).r);
    lit += step(depth, texture(shadow_map, p.xy + texel * vec2(1, -1)).r);
    lit += step(depth, texture(shadow_map, p.xy + texel * vec2(-1, 1)).r);
    lit += step(depth, texture(shadow_map, p.xy + texel * vec2(1, 1)).r);
    return lit * 0.25;
}

vec3 developed(vec3 light) {  // the tone curve; personsearch/synth/sensor.py inverts it
    return pow(clamp(light / (1.0 + 0.25 * light), 0.0, 1.0), vec3(1.0 / 2.2));
}

vec3 hazy(vec3 light, float distance) { return mix(light, fog, 1.0 - exp(-distance * fog_density)); }
