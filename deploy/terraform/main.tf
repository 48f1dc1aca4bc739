# What OCI must know for the gateway to call Generative AI: one principal, and one policy that lets it use the models of one
# compartment and nothing else.

locals {
  may = "use generative-ai-family in compartment id ${var.compartment_ocid}"

  statements = {
    workload = <<-EOT
      Allow any-user to ${local.may} where all {
        request.principal.type = 'workload',
        request.principal.cluster_id = '${var.cluster_ocid}',
        request.principal.namespace = '${var.namespace}',
        request.principal.service_account = '${var.service_account}'
      }
    EOT
    instance = "Allow dynamic-group ${var.name} to ${local.may}"
    user     = "Allow group ${var.name} to ${local.may}"
  }
}

resource "oci_identity_policy" "gateway" {
  compartment_id = var.compartment_ocid
  name           = var.name
  description    = "Lets the gateway use Generative AI."
  # A statement is one line.
  statements = [trimspace(replace(local.statements[var.principal], "/\\s+/", " "))]

  lifecycle {
    precondition {
      condition     = var.principal != "workload" || var.cluster_ocid != ""
      error_message = "A workload needs cluster_ocid: without it every cluster's pods of that name might call."
    }
  }

  # A policy names groups that exist.
  depends_on = [oci_identity_dynamic_group.gateway, oci_identity_group.gateway]
}

# Virtual machines of one compartment.
resource "oci_identity_dynamic_group" "gateway" {
  count = var.principal == "instance" ? 1 : 0

  compartment_id = var.tenancy_ocid
  name           = var.name
  description    = "Virtual machines that run the gateway."
  matching_rule  = "ALL {instance.compartment.id = '${coalesce(var.instance_compartment_ocid, var.compartment_ocid)}'}"
}

# A user that can do nothing but sign with an API key.
resource "oci_identity_user" "gateway" {
  count = var.principal == "user" ? 1 : 0

  compartment_id = var.tenancy_ocid
  name           = var.name
  description    = "The gateway's calls to Generative AI."
  email          = var.user_email
}

resource "oci_identity_user_capabilities_management" "gateway" {
  count = var.principal == "user" ? 1 : 0

  user_id                      = oci_identity_user.gateway[0].id
  can_use_api_keys             = true
  can_use_auth_tokens          = false
  can_use_console_password     = false
  can_use_customer_secret_keys = false
  can_use_smtp_credentials     = false
}

resource "oci_identity_group" "gateway" {
  count = var.principal == "user" ? 1 : 0

  compartment_id = var.tenancy_ocid
  name           = var.name
  description    = "May use Generative AI."
}

resource "oci_identity_user_group_membership" "gateway" {
  count = var.principal == "user" ? 1 : 0

  user_id  = oci_identity_user.gateway[0].id
  group_id = oci_identity_group.gateway[0].id
}

resource "oci_identity_api_key" "gateway" {
  count = var.principal == "user" ? 1 : 0

  user_id   = oci_identity_user.gateway[0].id
  key_value = file(var.public_key_file)
}
