//go:build !linux

package main

import "errors"

func serve(string) error { return errors.New("the servers of this comparison need Linux") }
