//go:build tools

// Names the program, so that go.mod and go.sum pin all that it is built from.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
