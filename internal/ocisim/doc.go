// Package ocisim is a simulator of the OCI Generative AI inference service.
//
// It verifies request signatures as the service does, knows the catalogue of models with what each vendor refuses, and
// answers in the service's own shapes, streams included: chat (GENERIC, COHERE, COHEREV2 and the OpenAI-compatible
// surface), embeddings, rerank, guardrails and the model listing. Answers are plausible and the same for the same seed.
// It can be told to misbehave, by a scenario file and at run time by a control API under /_sim/.
//
// Around it are OCI's identity services: an instance's metadata service, the auth service, the services of resources and
// an OKE cluster's token endpoint, so that a client may prove itself in every way that it could at OCI. See Identity.
//
// The package is a stranger to the gateway: it is written from what is known of the service, shares no code with the
// gateway's own OCI client and imports nothing outside the standard library but its own three parts, answer (what a model
// says), hashembed (embedding) and identity (certificates, tokens, policies). So an error in the gateway's understanding
// of the wire cannot hide here.
//
// What is known and what is assumed: see Variants, which holds every choice of the inference service that no capture
// settles; what is assumed of the identity services is said where it is done.
package ocisim
