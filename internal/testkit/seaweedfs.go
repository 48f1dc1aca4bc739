//go:build unix

package testkit

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// S3 is a server that speaks S3's protocol and verifies signatures. It has no bucket yet. Requests are to be asked by path.
type S3 struct {
	*Server
	AccessKey, SecretKey, Region string
}

// SeaweedFS starts an empty SeaweedFS with its S3 gateway (test/setup/seaweedfs.sh builds it). What is stored outlives a
// restart.
func SeaweedFS(t testing.TB) *S3 {
	t.Helper()
	weed := cached(t, "bin/weed", "test/setup/seaweedfs.sh")
	s := &S3{AccessKey: rand.Text(), SecretKey: rand.Text() + rand.Text(), Region: "us-east-1"}
	s.Server = startAt(t, launch{name: "seaweedfs", command: func(folder string, port int) ([]string, error) {
		identities, err := writeFile(folder, "s3.json", fmt.Sprintf(
			`{"identities":[{"name":"test","credentials":[{"accessKey":%q,"secretKey":%q}],"actions":["Admin"]}]}`, s.AccessKey, s.SecretKey))
		if err != nil {
			return nil, err
		}
		line := []string{weed, "-logtostderr=true", "server", "-dir=" + folder, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-s3.ip.bind=127.0.0.1",
			"-s3.port=" + strconv.Itoa(port), "-s3.config=" + identities, "-s3.iam=false", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
			"-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"}
		for _, name := range []string{"master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port.grpc"} {
			p, err := freePort()
			if err != nil {
				return nil, err
			}
			line = append(line, fmt.Sprintf("-%s=%d", name, p))
		}
		return line, nil
	}, ready: func(addr string) error { return answersWith(addr, http.StatusForbidden) }})
	s.URL = "http://" + s.Addr
	return s
}

// answersWith reports whether a server answers a stranger with the status that it has for him when it works.
func answersWith(addr string, want int) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return nil
}
