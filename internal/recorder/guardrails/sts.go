package guardrails

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"testing"
)

// STSOptions says what the Security Token Service's double knows.
type STSOptions struct {
	Region   string
	Keys     []Keys // that may take on the role
	Role     string // its ARN
	External string // that the role asks for; "" = none
	Identity string // the web identity token that may take it on; "" = none
	Issued   Keys   // what it hands out
	// Expiration is when that ends, as STS writes it.
	Expiration string
}

var roleSession = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// NewSTS plays AWS's Security Token Service: AssumeRole, signed, and AssumeRoleWithWebIdentity, which is not.
func NewSTS(o STSOptions) *Server {
	return &Server{vendor: "STS", answer: func(_ *Server, r *http.Request, body []byte) reply { return stsAnswer(&o, r, body) }}
}

// STS starts it for a test.
func STS(t testing.TB, o STSOptions) *Server { return start(t, NewSTS(o)) }

// stsRefused is an error in STS's XML.
func stsRefused(status int, code, wrong string) reply {
	type detail struct {
		Code, Message string
	}
	text, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Error   detail
	}{Error: detail{code, wrong}})
	if err != nil {
		panic(err) // a struct of texts
	}
	return reply{status: status, wrong: code + ": " + wrong, body: string(text)}
}

func stsAnswer(o *STSOptions, r *http.Request, body []byte) reply {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		return stsRefused(http.StatusNotFound, "InvalidAction", "not POST /")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return stsRefused(http.StatusBadRequest, "MalformedQueryString", err.Error())
	}
	allowed := map[string]bool{"Action": true, "Version": true, "RoleArn": true, "RoleSessionName": true, "ExternalId": true, "WebIdentityToken": true, "DurationSeconds": true}
	for name := range form {
		if !allowed[name] {
			return stsRefused(http.StatusBadRequest, "ValidationError", name+" is not known")
		}
	}
	switch {
	case form.Get("Version") != "2011-06-15":
		return stsRefused(http.StatusBadRequest, "NoSuchVersion", "the version is wrong")
	case form.Get("RoleArn") != o.Role:
		return stsRefused(http.StatusForbidden, "AccessDenied", "another role")
	case !roleSession.MatchString(form.Get("RoleSessionName")):
		return stsRefused(http.StatusBadRequest, "ValidationError", "RoleSessionName is not one")
	}
	switch form.Get("Action") {
	case "AssumeRole":
		find := func(key string) (Keys, bool) {
			for _, k := range o.Keys {
				if k.AccessKey == key {
					return k, true
				}
			}
			return Keys{}, false
		}
		if wrong := verifyAWS(r, body, find, o.Region, "sts"); wrong != "" {
			return stsRefused(http.StatusForbidden, "SignatureDoesNotMatch", wrong)
		}
		if form.Get("ExternalId") != o.External {
			return stsRefused(http.StatusForbidden, "AccessDenied", "ExternalId is missing or wrong")
		}
		return o.issue("AssumeRole")
	case "AssumeRoleWithWebIdentity":
		switch {
		case r.Header.Get("Authorization") != "":
			return stsRefused(http.StatusBadRequest, "ValidationError", "the call must not be signed")
		case o.Identity == "" || form.Get("WebIdentityToken") != o.Identity:
			return stsRefused(http.StatusBadRequest, "InvalidIdentityToken", "the token is wrong")
		}
		return o.issue("AssumeRoleWithWebIdentity")
	}
	return stsRefused(http.StatusBadRequest, "InvalidAction", "the action is not known")
}

// issue hands out the keys. STS answers XML, which the server sends as it sends any text.
func (o *STSOptions) issue(action string) reply {
	text := "<" + action + `Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><` + action + "Result><AssumedRoleUser><Arn>" + o.Role +
		"/session</Arn></AssumedRoleUser><Credentials><AccessKeyId>" + o.Issued.AccessKey + "</AccessKeyId><SecretAccessKey>" + o.Issued.Secret +
		"</SecretAccessKey><SessionToken>" + o.Issued.Token + "</SessionToken><Expiration>" + o.Expiration + "</Expiration></Credentials></" + action + "Result></" + action + "Response>"
	return ok(text)
}
