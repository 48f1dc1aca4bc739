variable "home_region" {
  description = "The tenancy's home region, where identity is changed, such as us-ashburn-1."
  type        = string
}

variable "tenancy_ocid" {
  description = "The tenancy."
  type        = string
}

variable "compartment_ocid" {
  description = "The compartment that is charged: the gateway's OCI_COMPARTMENT_ID."
  type        = string
}

variable "principal" {
  description = "Who calls OCI: workload (a pod on OKE), instance (a virtual machine) or user (an API key)."
  type        = string
  default     = "workload"

  validation {
    condition     = contains(["workload", "instance", "user"], var.principal)
    error_message = "principal is workload, instance or user."
  }
}

variable "name" {
  description = "Name of what is made."
  type        = string
  default     = "tollgate"
}

variable "cluster_ocid" {
  description = "workload: the OKE cluster, which must be an enhanced one."
  type        = string
  default     = ""
}

variable "namespace" {
  description = "workload: the Kubernetes namespace."
  type        = string
  default     = "tollgate"
}

variable "service_account" {
  description = "workload: the service account (serviceAccount.name of the chart)."
  type        = string
  default     = "tollgate-gateway"
}

variable "instance_compartment_ocid" {
  description = "instance: the compartment whose virtual machines may call; empty takes compartment_ocid."
  type        = string
  default     = ""
}

variable "user_email" {
  description = "user: the address of the user, which identity domains demand."
  type        = string
  default     = null
}

variable "public_key_file" {
  description = "user: the public half of the API key, a PEM file. The private half stays out of Terraform and of its state."
  type        = string
  default     = ""
}
