//go:build tools

// Names the program, so that go.mod and go.sum pin all that it is built from.
package tools

import _ "github.com/axllent/mailpit"
