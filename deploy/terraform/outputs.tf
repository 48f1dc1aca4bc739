output "policy" {
  description = "The statement that lets the gateway call."
  value       = oci_identity_policy.gateway.statements
}

output "gateway_environment" {
  description = "What the gateway's environment, or the Secret oci-credentials, holds beside OCI_REGION and the private key."
  value = merge(
    { OCI_COMPARTMENT_ID = var.compartment_ocid },
    var.principal != "user" ? {} : {
      OCI_TENANCY     = var.tenancy_ocid
      OCI_USER        = oci_identity_user.gateway[0].id
      OCI_FINGERPRINT = oci_identity_api_key.gateway[0].fingerprint
    },
  )
}
