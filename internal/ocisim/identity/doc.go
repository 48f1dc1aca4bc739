// Package identity is what the simulator knows of OCI's identity services: the certificates of an instance, the tokens
// of principals, the service accounts of a Kubernetes cluster, and which principals may call. The simulator serves it
// over HTTP; this package speaks to no network and writes no file.
//
// Shapes are those that Oracle's SDKs read and send. What they do not show is an assumption, said where it is made.
package identity
