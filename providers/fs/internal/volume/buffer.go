package volume

import "sync"

// BufferSize is what a transfer holds in memory.
const BufferSize = 128 << 10

// Buffer is the memory through which a transfer passes its bytes.
type Buffer = [BufferSize]byte

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// TakeBuffer lends a buffer, which must be returned with GiveBuffer. Its content is arbitrary.
func TakeBuffer() *Buffer { return buffers.Get().(*Buffer) }

// GiveBuffer takes a buffer back. It must not be used after that.
func GiveBuffer(b *Buffer) { buffers.Put(b) }
