//go:build linux && (amd64 || arm64)

// Package hannoy is nearest-neighbour search in SQLite: a virtual table of vectors with an HNSW
// index, for programs with github.com/mattn/go-sqlite3.
package hannoy

// #cgo CFLAGS: -D_GNU_SOURCE -DNDEBUG -fvisibility=hidden -w
// #cgo LDFLAGS: -lm -lpthread
// #include "entry.h"
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Auto registers hannoy in every connection that this process opens from now on. A second call
// does nothing.
func Auto() error {
	switch code := C.hannoy_auto(); code {
	case 0:
		return nil
	case C.HANNOY_NO_SQLITE:
		return errors.New("hannoy: this program has no SQLite; " +
			"import github.com/mattn/go-sqlite3")
	default:
		return fmt.Errorf("hannoy: sqlite3_auto_extension returned code %d", int(code))
	}
}

// Serialize makes the BLOB of a vector.
func Serialize(vector []float32) []byte {
	blob := make([]byte, 0, 4*len(vector))
	for _, number := range vector {
		blob = binary.LittleEndian.AppendUint32(blob, math.Float32bits(number))
	}
	return blob
}

// Deserialize makes the vector of a BLOB of float32. Bytes after the last whole number are left
// out.
func Deserialize(blob []byte) []float32 {
	vector := make([]float32, len(blob)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(blob[4*i:]))
	}
	return vector
}
