terraform {
  required_version = ">= 1.5"

  required_providers {
    oci = {
      source  = "oracle/oci"
      version = ">= 5.0"
    }
  }
}

# Who runs this is a matter of the provider: a profile of ~/.oci/config, environment variables, an instance principal.
# Users, groups and policies are changed in the home region of the tenancy.
provider "oci" {
  region = var.home_region
}
