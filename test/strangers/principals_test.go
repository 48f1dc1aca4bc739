package strangers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
	genai "github.com/oracle/oci-go-sdk/v65/generativeaiinference"

	"tollgate/internal/ocisim"
	"tollgate/internal/ocisim/identity"
)

// listen serves a simulator with all of the identity services. Oracle's SDKs know port 12250 only, so the cluster's
// endpoint gets a loopback address of its own.
func listen(t *testing.T, o ocisim.Options) *ocisim.Listening {
	t.Helper()
	address := fmt.Sprintf("127.%d.%d.%d:12250", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	up, err := ocisim.Listen(o, ocisim.ListenOptions{ClusterAddress: address, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	return up
}

// provider lets Oracle's SDK find a principal as it would at OCI: by the environment.
func provider(t *testing.T, up *ocisim.Listening, way ocisim.Way) (common.ConfigurationProvider, error) {
	t.Helper()
	for name, value := range up.Environment(way) {
		t.Setenv(name, value)
	}
	switch way {
	case ocisim.WaySessionToken:
		return common.ConfigurationProviderForSessionToken(up.Environment(way)["OCI_CONFIG_FILE"], "")
	case ocisim.WayInstance:
		return auth.InstancePrincipalConfigurationProvider()
	case ocisim.WayWorkload:
		token := filepath.Join(up.Dir, "serviceaccount", "token")
		return auth.OkeWorkloadIdentityConfigurationProviderWithServiceAccountTokenProvider(
			auth.NewDefaultServiceAccountTokenProvider().WithSaTokenPath(token))
	}
	return auth.ResourcePrincipalConfigurationProvider()
}

// capital asks for a capital with a provider, through Oracle's client.
func capital(t *testing.T, up *ocisim.Listening, config common.ConfigurationProvider) (string, error) {
	t.Helper()
	client := clientOf(t, config, up.URL)
	reply, err := client.Chat(context.Background(), chat("meta.llama-3.3-70b-instruct", genai.GenericChatRequest{
		Messages: []genai.Message{userMessage("What is the capital of Italy?")}, MaxTokens: common.Int(50),
	}))
	if err != nil {
		return "", err
	}
	return textOf(t, reply.ChatResult.ChatResponse.(genai.GenericChatResponse).Choices[0].Message), nil
}

// refusal is the status and code of the service's error.
func refusal(t *testing.T, err error) string {
	t.Helper()
	failure, ok := common.IsServiceError(err)
	if !ok {
		t.Fatalf("got %v, want an error of the service", err)
	}
	return fmt.Sprintf("%d %s", failure.GetHTTPStatusCode(), failure.GetCode())
}

var kinds = map[ocisim.Way]identity.Kind{
	ocisim.WaySessionToken: identity.Session, ocisim.WayInstance: identity.Instance, ocisim.WayResource11: identity.Resource,
	ocisim.WayResource22: identity.Resource, ocisim.WayResource30: identity.Resource, ocisim.WayWorkload: identity.Workload,
}

func TestGoSDK_EveryPrincipalGetsItsToken(t *testing.T) {
	for _, way := range ocisim.Ways() {
		t.Run(string(way), func(t *testing.T) {
			up := listen(t, ocisim.Options{})
			config, err := provider(t, up, way)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := capital(t, up, config); err != nil || got != "Rome." {
				t.Fatalf("got %q, %v", got, err)
			}

			// A policy for another kind of principal hides the service.
			other := []identity.Policy{{Kind: identity.User}}
			if err := up.Identity().SetPolicies(other); err != nil {
				t.Fatal(err)
			}
			if _, err = capital(t, up, config); refusal(t, err) != "404 NotAuthorizedOrNotFound" {
				t.Errorf("without a policy: %v", err)
			}
			if err := up.Identity().SetPolicies([]identity.Policy{{Kind: kinds[way]}}); err != nil {
				t.Fatal(err)
			}
			if _, err := capital(t, up, config); err != nil {
				t.Errorf("with a policy for it: %v", err)
			}

			if up.Identity().Revoke(kinds[way]) == 0 {
				t.Error("there is no token to revoke")
			}
			if _, err = capital(t, up, config); refusal(t, err) != "401 NotAuthenticated" {
				t.Errorf("with a revoked token: %v", err)
			}
		})
	}
}

// The SDK renews a token that is good for less than five minutes, with another session key each time.
func TestGoSDK_RenewsBeforeExpiry(t *testing.T) {
	for way, op := range map[ocisim.Way]string{
		ocisim.WayInstance: "x509", ocisim.WayResource11: "rpst", ocisim.WayWorkload: "workload",
	} {
		t.Run(string(way), func(t *testing.T) {
			up := listen(t, ocisim.Options{Identity: ocisim.IdentityOptions{TokenLife: 5*time.Minute + 2*time.Second}})
			config, err := provider(t, up, way)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := capital(t, up, config); err != nil {
				t.Fatal(err)
			}
			up.Identity().SetTokenLife(time.Hour)
			first := up.Identity().Requests()[op].Requests
			for deadline := time.Now().Add(10 * time.Second); up.Identity().Requests()[op].Requests == first; {
				if time.Now().After(deadline) {
					t.Fatalf("no renewal: %v", up.Identity().Requests())
				}
				if _, err := capital(t, up, config); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := capital(t, up, config); err != nil || got != "Rome." {
				t.Errorf("after the renewal: %q, %v", got, err)
			}
		})
	}
}

// Files are read again when the token in them nears its end.
func TestGoSDK_ReadsRenewedFiles(t *testing.T) {
	up := listen(t, ocisim.Options{Identity: ocisim.IdentityOptions{TokenLife: 5*time.Minute + 2*time.Second}})
	config, err := provider(t, up, ocisim.WayResource22)
	if err != nil {
		t.Fatal(err)
	}
	before, err := config.KeyID()
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Identity().Renew(); err != nil {
		t.Fatal(err)
	}
	after := before
	for deadline := time.Now().Add(10 * time.Second); after == before; {
		if time.Now().After(deadline) {
			t.Fatal("the files were not read again")
		}
		if after, err = config.KeyID(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := capital(t, up, config); err != nil || got != "Rome." {
		t.Errorf("with the renewed token: %q, %v", got, err)
	}
}

// forged is a provider whose token is not what the simulator gave out.
type forged struct {
	common.ConfigurationProvider
	keyID string
}

func (f forged) KeyID() (string, error) { return f.keyID, nil }

func TestGoSDK_ForgedTokens(t *testing.T) {
	up := listen(t, ocisim.Options{})
	config, err := provider(t, up, ocisim.WayInstance)
	if err != nil {
		t.Fatal(err)
	}
	other, err := provider(t, up, ocisim.WayWorkload)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := config.KeyID()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.KeyID()
	if err != nil {
		t.Fatal(err)
	}
	for name, keyID := range map[string]string{
		"another principal's token": theirs, "a token without its signature": mine[:strings.LastIndex(mine, ".")+1],
		"a token as an API key": strings.TrimPrefix(mine, "ST$"),
	} {
		if _, err := capital(t, up, forged{config, keyID}); refusal(t, err) != "401 NotAuthenticated" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGoSDK_NoTokenToBeHad(t *testing.T) {
	for name, tt := range map[string]struct {
		way   ocisim.Way
		spoil func(*ocisim.Listening) error
		want  string
	}{
		"a service account token of another cluster": {ocisim.WayWorkload, func(up *ocisim.Listening) error {
			other, err := ocisim.New(ocisim.Options{})
			if err != nil {
				return err
			}
			return other.Identity().WriteServiceAccount(filepath.Join(up.Dir, "serviceaccount"), "tollgate", "gateway")
		}, "certificate"}, // the authority in ca.crt is the other cluster's as well
		"a cluster that is not enhanced": {ocisim.WayWorkload, func(up *ocisim.Listening) error {
			up.Identity().SetBasicCluster(true)
			return nil
		}, "please ensure the cluster type is enhanced"},
		"an auth service that refuses": {ocisim.WayInstance, func(up *ocisim.Listening) error {
			return up.AddRule(ocisim.Rule{Op: "x509", Status: 401})
		}, "NotAuthenticated"},
		"a resource's service that is not there": {ocisim.WayResource30, func(up *ocisim.Listening) error {
			return up.AddRule(ocisim.Rule{Op: "rpt", Status: 404})
		}, "NotAuthorizedOrNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			up := listen(t, ocisim.Options{})
			if err := tt.spoil(up); err != nil {
				t.Fatal(err)
			}
			config, err := provider(t, up, tt.way)
			if err == nil {
				_, err = config.KeyID()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
