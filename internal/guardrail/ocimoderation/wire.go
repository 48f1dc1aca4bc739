package ocimoderation

// The shapes of POST /20231130/actions/applyGuardrails (OCI's SDK for Go v65.130).

type request struct {
	CompartmentID string   `json:"compartmentId"`
	Configs       configs  `json:"guardrailConfigs"`
	Input         input    `json:"input"`
	Version       *version `json:"guardrailVersionConfig,omitempty"`
}

type configs struct {
	Content   *contentConfig  `json:"contentModerationConfig,omitempty"`
	Personal  *personalConfig `json:"personallyIdentifiableInformationConfig,omitempty"`
	Injection *struct{}       `json:"promptInjectionConfig,omitempty"`
}

type contentConfig struct {
	Categories []string `json:"categories"`
}

type personalConfig struct {
	Types []string `json:"types"`
}

type input struct {
	Type     string `json:"type"`
	Content  string `json:"content"`
	Language string `json:"languageCode,omitempty"`
}

type version struct {
	Version string `json:"guardrailVersion"`
}

type reply struct {
	Results struct {
		Content *struct {
			Categories []category `json:"categories"`
		} `json:"contentModeration"`
		Personal  []personal `json:"personallyIdentifiableInformation"`
		Injection *struct {
			Score *float64 `json:"score"`
		} `json:"promptInjection"`
	} `json:"results"`
	Version struct {
		Version string `json:"version"`
	} `json:"guardrailVersion"`
}

type category struct {
	Name  string   `json:"name"`
	Score *float64 `json:"score"`
}

type personal struct {
	Text   string  `json:"text"`
	Label  string  `json:"label"`
	Offset int     `json:"offset"`
	Length int     `json:"length"`
	Score  float64 `json:"score"`
}
