output "cluster_name" {
  description = "Name of the cluster, for aws eks update-kubeconfig."
  value       = aws_eks_cluster.main.name
}

output "cluster_endpoint" {
  description = "Address of the cluster's API."
  value       = aws_eks_cluster.main.endpoint
}

output "vpc_id" {
  description = "The network."
  value       = aws_vpc.main.id
}

output "reports_endpoint" {
  description = "Address of the reporting database."
  value       = aws_db_instance.reports.endpoint
}

output "reports_password_secret" {
  description = "Secrets Manager entry that holds the password of the reporting database."
  value       = aws_db_instance.reports.master_user_secret[0].secret_arn
}

output "exports_bucket" {
  description = "Bucket for exports and backups."
  value       = aws_s3_bucket.exports.bucket
}
