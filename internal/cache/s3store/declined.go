package s3store

// Declined are the object stores of LiteLLM that are not served, by the type of cache_params, each with the reason and
// the way out.
var Declined = []struct{ Type, Why string }{
	{"gcs", "Cloud Storage's own API is not spoken here; its XML API speaks S3: make an HMAC key for the service account (Cloud Storage, Settings, " +
		"Interoperability) and configure type s3 with s3_endpoint_url https://storage.googleapis.com, s3_region_name auto, s3_bucket_name, and the HMAC key as " +
		"s3_aws_access_key_id and s3_aws_secret_access_key"},
	{"azure-blob", "Blob Storage has no S3 API and its own is not spoken here; use type redis (Azure Managed Redis), or s3 with a gateway in front of the container"},
}
