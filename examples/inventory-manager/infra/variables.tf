variable "region" {
  description = "AWS region everything lives in."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "Name of the cluster and prefix of everything else."
  type        = string
  default     = "inventory-manager"
}

variable "cidr" {
  description = "Address range of the network; a /16."
  type        = string
  default     = "10.20.0.0/16"
}

variable "zones" {
  description = "Number of availability zones."
  type        = number
  default     = 2

  validation {
    condition     = var.zones >= 2 && var.zones <= 4
    error_message = "EKS and RDS need two zones at least; the address plan has room for four."
  }
}

variable "kubernetes_version" {
  description = "Version of the cluster's control plane."
  type        = string
  default     = "1.34"
}

variable "api_access_cidrs" {
  description = "Address ranges that may reach the cluster's API from outside the network."
  type        = list(string)
  default     = []
}

variable "nodes" {
  description = "Machines of the cluster."
  type = object({
    type = string
    min  = number
    max  = number
  })
  default = {
    type = "t3.medium"
    min  = 2
    max  = 4
  }
}

variable "database_class" {
  description = "Instance class of the reporting database."
  type        = string
  default     = "db.t4g.micro"
}
