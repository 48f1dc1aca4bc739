package gateway_test

import "testing"

// What a body or a header asks of the router is bounded and of its type, and says so; null asks for nothing.
func TestWhatACallMayAskOfTheRouter(t *testing.T) {
	s := open(t, newUpstream(t), plain)
	const (
		retries   = "/chat/completions: Invalid type for 'num_retries': expected a whole number from 0 to 10."
		fallbacks = "/chat/completions: Invalid type for 'max_fallbacks': expected a whole number from 0 to 20."
		seconds   = "/chat/completions: Invalid type for 'keepalive_seconds': expected a number of seconds."
	)
	tests := []struct {
		name, more, header string
		want               string // "": it is answered
	}{
		{"num_retries", `,"num_retries":10`, "0", ""},
		{"num_retries null", `,"num_retries":null`, "", ""},
		{"num_retries over the bound", `,"num_retries":11`, "", retries},
		{"num_retries negative", `,"num_retries":-1`, "", retries},
		{"num_retries no number", `,"num_retries":"2"`, "", retries},
		{"num_retries that overflows", `,"num_retries":1e30`, "", retries},
		{"the header", "", "10", ""},
		{"the header over the bound", "", "20000", retries},
		{"the header no number", "", "many", ""},
		{"max_fallbacks", `,"max_fallbacks":20`, "", ""},
		{"max_fallbacks over the bound", `,"max_fallbacks":21`, "", fallbacks},
		{"keepalive_seconds", `,"keepalive_seconds":2.5`, "", ""},
		{"keepalive_seconds null", `,"keepalive_seconds":null`, "", ""},
		{"keepalive_seconds no number", `,"keepalive_seconds":"often"`, "", seconds},
		{"keepalive_seconds negative", `,"keepalive_seconds":-1`, "", seconds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := []string{"Authorization", "Bearer " + masterKey}
			if tt.header != "" {
				header = append(header, "X-Litellm-Num-Retries", tt.header)
			}
			got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", tt.more), header...)
			if tt.want == "" {
				if got.status != 200 {
					t.Errorf("%d %s", got.status, got.text)
				}
				return
			}
			if got.status != 400 || got.errorField(t, "message") != tt.want {
				t.Errorf("%d %s, want %q", got.status, got.text, tt.want)
			}
		})
	}
}
