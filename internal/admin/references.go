package admin

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"tollgate/internal/apierr"
)

// reference begins a text of the configuration that stands for a variable of the environment.
const reference = "os.environ/"

// Whoever may store a deployment says where its key is sent. So what comes through the management API may refer to the variables
// that hold what a provider asks for, and never to the gateway's own secrets: master key, salt key, database; nor to what signs
// for OCI, but for signing. The configuration file, which is the operator's of the machine, may refer to all.
var (
	ofProviders = regexp.MustCompile(`^(OCI|OPENAI|AZURE|ANTHROPIC|AWS|GOOGLE|GEMINI|VERTEX|VERTEXAI|COHERE|MISTRAL|GROQ|XAI|DEEPSEEK|OPENROUTER|TOGETHERAI|HOSTED_VLLM|OLLAMA)_` +
		`|_(API_KEY|API_BASE|BASE_URL|API_VERSION|ENDPOINT|REGION|REGION_NAME|PROJECT|PROJECT_ID|ORGANIZATION)$`)
	ofGateway = regexp.MustCompile(`^(LITELLM|TOLLGATE|PROXY|DATABASE|DIRECT|REDIS|JWT)_|MASTER_KEY|SALT_KEY`)
	ofSigner  = regexp.MustCompile(`^OCI_(KEY|KEY_PASSPHRASE|RESOURCE_PRINCIPAL_.*)$`)
)

// signing are the parameters that hold what signs for OCI, and the variable that each may refer to: it is not sent there. From
// anywhere else it would be, as a bearer's key or in a body.
var signing = map[string]string{"oci_key": "OCI_KEY", "oci_key_passphrase": "OCI_KEY_PASSPHRASE"} //nolint:gosec // names of variables, not what they hold

// checkVariables refuses references to variables that are not for deployments, however deep they stand in a value.
func checkVariables(field string, v any) *apierr.Error {
	if name := signing[field]; name != "" && v == reference+name {
		return nil
	}
	return checkWithin(field, v)
}

func checkWithin(field string, v any) *apierr.Error {
	switch v := v.(type) {
	case string:
		if name, is := strings.CutPrefix(v, reference); is && (ofGateway.MatchString(name) || ofSigner.MatchString(name) || !ofProviders.MatchString(name)) {
			return named(field, badRequest("%s: what comes through the API cannot refer to the variable %s, because whoever stores it could send its value anywhere. "+
				"Variables of providers can be referred to, such as OPENAI_API_KEY, OCI_REGION or anything that ends in _API_KEY; or give the value itself, which is sealed.", field, quote(name)))
		}
	case []any:
		for _, inner := range v {
			if err := checkWithin(field, inner); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := checkWithin(name, v[name]); err != nil {
				return err
			}
		}
	}
	return nil
}
