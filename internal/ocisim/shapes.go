package ocisim

import "math"

// These are the request bodies of the service, field by field.

var servingModeShape = oneOf("servingType", map[string]fields{
	"ON_DEMAND": {"modelId!": text},
	"DEDICATED": {"endpointId!": text},
})

var (
	positive      = integer(1, math.MaxInt32)
	anyInteger    = integer(math.MinInt64, math.MaxInt64)
	streamOptions = object(fields{"isIncludeUsage": flag})
	schemaShape   = shape(anyObject)
	imageURL      = object(fields{"url!": text, "detail": words("AUTO", "HIGH", "LOW")})
)

// chatDetails is the body of /actions/chat.
var chatDetails = object(fields{
	"compartmentId!": text,
	"servingMode!":   servingModeShape,
	"chatRequest!": oneOf("apiFormat", map[string]fields{
		formatGeneric:  genericFields,
		formatCohere:   cohereFields,
		formatCohereV2: cohereV2Fields,
	}),
})

// --- GENERIC ---

var genericContent = list(oneOf("type", map[string]fields{
	"TEXT":     {"text": text},
	"IMAGE":    {"imageUrl!": imageURL},
	"DOCUMENT": {"documentUrl!": imageURL},
	"VIDEO":    {"videoUrl!": imageURL},
	"AUDIO":    {"audioUrl!": imageURL},
}), 0)

var genericMessages = list(oneOf("role", map[string]fields{
	"SYSTEM":    {"content": genericContent, "name": text},
	"DEVELOPER": {"content": genericContent, "name": text},
	"USER":      {"content": genericContent, "name": text},
	"TOOL":      {"content": genericContent, "toolCallId": text},
	"ASSISTANT": {
		"content": genericContent, "name": text, "refusal": text, "reasoningContent": text,
		"annotations": list(shape(anyObject), 0),
		"toolCalls": list(oneOf("type", map[string]fields{
			"FUNCTION": {"id": text, "name": text, "arguments": text},
		}), 0),
	},
}), 0)

var genericFields = fields{
	"messages":            genericMessages,
	"isStream":            flag,
	"streamOptions":       streamOptions,
	"maxTokens":           positive,
	"maxCompletionTokens": positive,
	"temperature":         number(0, 2),
	"topP":                number(0, 1),
	"topK":                integer(-1, math.MaxInt32),
	"frequencyPenalty":    number(-2, 2),
	"presencePenalty":     number(-2, 2),
	"stop":                list(text, 0),
	"numGenerations":      integer(1, 5),
	"seed":                anyInteger,
	"isEcho":              flag,
	"logProbs":            integer(0, 20),
	"logitBias":           anyObject,
	"metadata":            textMap(16, 64, 512),
	"tools": list(oneOf("type", map[string]fields{
		"FUNCTION": {"name": text, "description": text, "parameters": schemaShape},
	}), 128),
	"toolChoice": oneOf("type", map[string]fields{
		"AUTO": {}, "NONE": {}, "REQUIRED": {}, "FUNCTION": {"name": text},
	}),
	"isParallelToolCalls": flag,
	"responseFormat": oneOf("type", map[string]fields{
		"TEXT":        {},
		"JSON_OBJECT": {},
		"JSON_SCHEMA": {"jsonSchema": object(fields{
			"name!": text, "description": text, "schema": schemaShape, "isStrict": flag,
		})},
	}),
	"reasoningEffort": words("NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH"),
	"verbosity":       words("LOW", "MEDIUM", "HIGH"),
	"serviceTier":     words("AUTO", "DEFAULT", "PRIORITY"),
	"prediction": oneOf("type", map[string]fields{
		"CONTENT": {"content": list(oneOf("type", map[string]fields{"TEXT": {"text": text}}), 0)},
	}),
	"webSearchOptions": object(fields{
		"searchContextSize": words("HIGH", "MEDIUM", "LOW"),
		"userLocation":      object(fields{"city": text, "region": text, "country": text, "timezone": text}),
	}),
}

// --- COHERE ---

var (
	cohereCall = object(fields{"name!": text, "parameters!": anyObject})

	cohereResults = list(object(fields{"call!": cohereCall, "outputs!": list(shape(anyObject), 0)}), 0)

	cohereFormat = oneOf("type", map[string]fields{
		"TEXT":        {},
		"JSON_OBJECT": {"schema": schemaShape},
	})

	safetyMode = words("CONTEXTUAL", "STRICT", "OFF")
)

var cohereFields = fields{
	"message!": text,
	"chatHistory": list(oneOf("role", map[string]fields{
		"USER":    {"message!": text},
		"SYSTEM":  {"message!": text},
		"CHATBOT": {"message": text, "toolCalls": list(cohereCall, 0)},
		"TOOL":    {"toolResults!": cohereResults},
	}), 0),
	"preambleOverride":    text,
	"documents":           list(shape(anyObject), 0),
	"tools":               list(object(fields{"name!": text, "description!": text, "parameterDefinitions": cohereParameters}), 0),
	"toolResults":         cohereResults,
	"isForceSingleStep":   flag,
	"isSearchQueriesOnly": flag,
	"isEcho":              flag,
	"isRawPrompting":      flag,
	"isStream":            flag,
	"streamOptions":       streamOptions,
	"maxTokens":           positive,
	"maxInputTokens":      positive,
	"temperature":         number(0, 2),
	"topK":                integer(0, 500),
	"topP":                number(0, 1),
	"frequencyPenalty":    number(0, 1),
	"presencePenalty":     number(0, 1),
	"seed":                anyInteger,
	"stopSequences":       list(text, 0),
	"responseFormat":      cohereFormat,
	"promptTruncation":    words("OFF", "AUTO_PRESERVE_ORDER"),
	"citationQuality":     words("ACCURATE", "FAST"),
	"safetyMode":          safetyMode,
}

// cohereParameters is an object of free names.
func cohereParameters(at string, v any) *serviceError {
	m, ok := v.(map[string]any)
	if !ok {
		return wrongType(at, "an object")
	}
	for name, p := range m {
		if err := cohereParameter(join(at, name), p); err != nil {
			return err
		}
	}
	return nil
}

var cohereParameter = object(fields{"type!": text, "description": text, "isRequired": flag})

// --- COHEREV2 ---

var cohereV2Content = list(oneOf("type", map[string]fields{
	"TEXT":      {"text": text},
	"IMAGE_URL": {"imageUrl!": imageURL},
	"DOCUMENT":  {"document": anything},
	"THINKING":  {"thinking": text},
}), 0)

var cohereV2Fields = fields{
	"messages!": list(oneOf("role", map[string]fields{
		"USER":   {"content!": cohereV2Content},
		"SYSTEM": {"content!": cohereV2Content},
		"TOOL":   {"content!": cohereV2Content, "toolCallId!": text},
		"ASSISTANT": {
			"content!": cohereV2Content, "toolPlan": text, "citations": list(shape(anyObject), 0),
			"toolCalls": list(object(fields{
				"id": text, "type": words("FUNCTION"), "function": object(fields{"name": text, "arguments": text}),
			}), 0),
		},
	}), 0),
	"documents":       list(anything, 0),
	"citationOptions": object(fields{"mode": words("FAST", "ACCURATE", "OFF")}),
	"tools": list(object(fields{
		"type":     words("FUNCTION"),
		"function": object(fields{"name!": text, "parameters!": schemaShape, "description": text}),
	}), 0),
	"isStrictToolsEnabled": flag,
	"toolsChoice":          words("REQUIRED", "NONE"),
	"thinking":             object(fields{"type!": words("ENABLED", "DISABLED"), "tokenBudget": positive}),
	"isLogProbsEnabled":    flag,
	"responseFormat":       cohereFormat,
	"isSearchQueriesOnly":  flag,
	"streamOptions":        streamOptions,
	"isStream":             flag,
	"maxTokens":            positive,
	"temperature":          number(0, 2),
	"topK":                 integer(0, 500),
	"topP":                 number(0, 1),
	"frequencyPenalty":     number(0, 1),
	"presencePenalty":      number(0, 1),
	"seed":                 anyInteger,
	"stopSequences":        list(text, 0),
	"priority":             anyInteger,
	"isRawPrompting":       flag,
	"safetyMode":           safetyMode,
}

// --- embeddings, rerank, guardrails ---

var embedDetails = object(fields{
	"compartmentId!": text,
	"servingMode!":   servingModeShape,
	"inputs":         list(text, 0),
	"embedContents": list(oneOf("type", map[string]fields{
		"TEXT":  {"text": text},
		"IMAGE": {"imageUrl!": imageURL},
	}), 0),
	"isEcho":           flag,
	"embeddingTypes":   list(words("float", "int8", "uint8", "binary", "ubinary", "base64"), 0),
	"outputDimensions": positive,
	"truncate":         words("NONE", "START", "END"),
	"inputType":        words("SEARCH_DOCUMENT", "SEARCH_QUERY", "CLASSIFICATION", "CLUSTERING", "IMAGE"),
})

var rerankDetails = object(fields{
	"input!":               text,
	"compartmentId!":       text,
	"servingMode!":         servingModeShape,
	"documents!":           list(text, 0),
	"topN":                 positive,
	"isEcho":               flag,
	"maxChunksPerDocument": positive,
	"maxTokensPerDocument": positive,
})

var guardrailsInput = oneOf("type", map[string]fields{
	"TEXT":  {"content": text, "languageCode": text},
	"IMAGE": {"imageUrl!": object(fields{"url!": text})},
})

// guardrailsDetails is the body of /actions/applyGuardrails. The SDKs call categories and types mandatory, yet Oracle's
// own LangChain package leaves them out, so their absence means all of them.
var guardrailsDetails = object(fields{
	"compartmentId!": text,
	"guardrailConfigs!": object(fields{
		"contentModerationConfig":                 object(fields{"categories": list(text, 0)}),
		"personallyIdentifiableInformationConfig": object(fields{"types": list(text, 0)}),
		"promptInjectionConfig":                   object(fields{}),
	}),
	"input":                  guardrailsInput,
	"multimodalInput":        list(guardrailsInput, 0),
	"guardrailVersionConfig": object(fields{"guardrailVersion!": text}),
})
