// The values of a buffer of float32, which may not begin at a multiple of four bytes.
const floats = (view) => new Float32Array(view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view.slice(0));
