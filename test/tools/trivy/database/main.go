// Command database makes a small vulnerability database in Trivy's own form, since Trivy's real one is downloaded: the
// advisories of advisories.json, which are real ones of Debian 12 and of Python packages.
//
//	database FOLDER
//
// FOLDER then holds db/trivy.db and db/metadata.json, as Trivy's cache folder does.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"
)

//go:embed advisories.json
var advisories []byte

type advisory struct {
	ID, Bucket, Package, Fixed, Status, Severity, Title string

	Vulnerable, Patched []string
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: database FOLDER")
		os.Exit(2)
	}
	if err := write(filepath.Join(os.Args[1], "db"), time.Now().UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "database:", err)
		os.Exit(1)
	}
}

func write(dir string, now time.Time) error {
	var all []advisory
	if err := json.Unmarshal(advisories, &all); err != nil {
		return fmt.Errorf("advisories.json: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := db.Init(dir); err != nil {
		return err
	}
	config := db.Config{}
	err := config.BatchUpdate(func(tx *bolt.Tx) error { return put(tx, config, all) })
	if err != nil {
		return err
	}
	if err := config.DeleteAdvisoryDetailBucket(); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	// As just downloaded: Trivy asks for a newer one after a day.
	return metadata.NewClient(dir).Update(metadata.Metadata{
		Version: db.SchemaVersion, UpdatedAt: now, DownloadedAt: now, NextUpdate: now.Add(24 * time.Hour),
	})
}

func put(tx *bolt.Tx, config db.Config, all []advisory) error {
	for _, a := range all {
		severity, err := types.NewSeverity(a.Severity)
		if err != nil {
			return fmt.Errorf("%s: %w", a.ID, err)
		}
		source := types.SourceID("debian")
		if len(a.Vulnerable) > 0 {
			source = "ghsa"
		}
		detail := types.Advisory{
			FixedVersion: a.Fixed, VulnerableVersions: a.Vulnerable, PatchedVersions: a.Patched, Status: types.NewStatus(a.Status),
		}
		vulnerability := types.Vulnerability{
			Title: a.Title, Description: a.Title, Severity: a.Severity, VendorSeverity: types.VendorSeverity{source: severity, "nvd": severity},
			References: []string{"https://nvd.nist.gov/vuln/detail/" + a.ID},
		}
		if err := config.PutDataSource(tx, a.Bucket, types.DataSource{ID: source, Name: a.Bucket}); err != nil {
			return err
		}
		if err := config.PutAdvisoryDetail(tx, a.ID, a.Package, []string{a.Bucket}, &detail); err != nil {
			return err
		}
		if err := config.SaveAdvisoryDetails(tx, a.ID); err != nil {
			return err
		}
		if err := config.PutVulnerability(tx, a.ID, vulnerability); err != nil {
			return err
		}
	}
	return nil
}
