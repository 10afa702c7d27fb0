package server

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Variables returns the environment variables of all [Options], in the order of these.
func Variables() (names []string) {
	for field := range reflect.TypeFor[Options]().Fields() {
		if name := variableOf(field); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// variableOf returns the environment variable of an option; "" for one that has none.
func variableOf(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// CheckVariable returns an error that says what is allowed unless the value of a variable is of its option's type.
// Bounds are those of [Options.Check].
func CheckVariable(name, value string) error {
	for field := range reflect.TypeFor[Options]().Fields() {
		if variableOf(field) == name {
			return checkType(field.Type, value)
		}
	}
	return fmt.Errorf("no option has the variable %s", name)
}

func checkType(of reflect.Type, value string) error {
	var err error
	want := ""
	switch {
	case of == reflect.TypeFor[time.Duration]():
		_, err = time.ParseDuration(value)
		want = "a duration, such as 250ms, 5s or 10m"
	case of.Kind() == reflect.Bool:
		_, err = strconv.ParseBool(value)
		want = "true or false"
	case of.Kind() == reflect.Float64:
		_, err = strconv.ParseFloat(value, 64)
		want = "a number"
	case of.Kind() == reflect.Int || of.Kind() == reflect.Int64:
		_, err = strconv.ParseInt(value, 10, of.Bits())
		want = "a whole number"
	}
	if err != nil {
		return fmt.Errorf("must be %s, not %.120q", want, value)
	}
	return nil
}
