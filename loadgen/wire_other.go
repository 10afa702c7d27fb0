//go:build !linux

package loadgen

import (
	"context"
	"errors"
)

const wireAvailable = false

func newWireAttack(context.Context, *attack) (engine, error) {
	return nil, errors.New("the wire engine needs Linux")
}
