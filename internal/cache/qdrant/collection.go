package qdrant

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"tollgate/internal/setting"
)

// quantization is Qdrant's quantization_config, nil = none.
type quantization map[string]any

// quantizationOf reads qdrant_quantization_config: one of LiteLLM's three words, of which it takes binary where there is
// none. The memory that they take is the server's to decide.
func quantizationOf(m *setting.Map) quantization {
	switch m.Text("qdrant_quantization_config") {
	case "", "binary":
		return quantization{"binary": map[string]any{}}
	case "scalar":
		return quantization{"scalar": map[string]any{"type": "int8"}}
	case "product":
		return quantization{"product": map[string]any{"compression": "x16"}}
	case "none":
		return nil
	}
	m.Fault("qdrant_quantization_config", "must be one of binary, scalar, product, none")
	return nil
}

// prepare makes sure that the collection is there and takes vectors of the size. It is tried again until it succeeds; callers
// do not wait for each other, since whoever is second finds what the first one made.
func (v *Vectors) prepare(ctx context.Context, size int) error {
	have := int(v.size.Load())
	if have == 0 {
		var err error
		if have, err = v.establish(ctx, size); err != nil {
			return err
		}
		v.size.Store(int64(have))
	}
	if size != have {
		return fmt.Errorf("qdrant: the embedding has %d numbers, the collection's vectors have %d: set qdrant_semantic_cache_vector_size to %d and name a new collection", size, have, size)
	}
	return nil
}

// establish looks at the collection, or makes it, and returns the size of its vectors.
func (v *Vectors) establish(ctx context.Context, size int) (int, error) {
	have, err := v.describe(ctx)
	if absent(err) {
		err = v.create(ctx, cmp.Or(v.want, size))
		var answer *Error
		if errors.As(err, &answer) && answer.Status == http.StatusConflict { // another was faster
			err = nil
		}
		if err == nil {
			have, err = v.describe(ctx)
		}
	}
	if err != nil {
		return 0, err
	}
	if have.Distance != "Cosine" {
		return 0, fmt.Errorf("qdrant: the collection measures %s, which is not Cosine: name a new collection", have.Distance)
	}
	// One who stopped in between may have left the collection without them; an index that is there is no error.
	for field, schema := range map[string]string{"namespace": "keyword", "scope": "keyword", "expires_at": "integer"} {
		body := map[string]any{"field_name": field, "field_schema": schema}
		if err := v.rest.call(ctx, http.MethodPut, v.path("/index?wait=true"), body, nil); err != nil {
			return 0, err
		}
	}
	return have.Size, nil
}

// shape is what vectors a collection takes.
type shape struct {
	Size     int    `json:"size"`
	Distance string `json:"distance"`
}

func (v *Vectors) describe(ctx context.Context) (shape, error) {
	var found struct {
		Config struct {
			Params struct {
				Vectors shape `json:"vectors"`
			} `json:"params"`
		} `json:"config"`
	}
	err := v.rest.call(ctx, http.MethodGet, v.path(""), nil, &found)
	if have := found.Config.Params.Vectors; err == nil && have.Size == 0 {
		return have, errors.New("qdrant: the collection has named vectors, or none: name another collection")
	}
	return found.Config.Params.Vectors, err
}

func (v *Vectors) create(ctx context.Context, size int) error {
	body := map[string]any{"vectors": shape{Size: size, Distance: "Cosine"}}
	if v.quantized != nil {
		body["quantization_config"] = v.quantized
	}
	return v.rest.call(ctx, http.MethodPut, v.path(""), body, nil)
}
