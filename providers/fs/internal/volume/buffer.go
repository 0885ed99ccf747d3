package volume

import "sync"

// BufferSize is what a transfer holds in memory.
const BufferSize = 128 << 10

// Buffer is the memory through which a transfer passes its bytes.
type Buffer = [BufferSize]byte

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// TakeBuffer lends a buffer, which GiveBuffer takes back. What is in it is of no meaning.
func TakeBuffer() *Buffer { return buffers.Get().(*Buffer) }

// GiveBuffer takes a buffer back, which must not be used after that.
func GiveBuffer(b *Buffer) { buffers.Put(b) }
