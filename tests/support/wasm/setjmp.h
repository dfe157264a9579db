/* wasm32 has no setjmp; cmocka.h asks for this header and here nothing jumps. */
