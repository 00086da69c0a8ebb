# The reporting database: nightly exports of the inventory, for those who ask questions in SQL.

resource "aws_db_subnet_group" "reports" {
  name       = "${var.name}-reports"
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_security_group" "reports" {
  name        = "${var.name}-reports"
  description = "PostgreSQL from the nodes of the cluster"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "reports" {
  security_group_id            = aws_security_group.reports.id
  referenced_security_group_id = aws_eks_cluster.main.vpc_config[0].cluster_security_group_id
  description                  = "PostgreSQL from the nodes"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_instance" "reports" {
  identifier     = "${var.name}-reports"
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.database_class

  db_name  = "reports"
  username = "reports"
  # RDS makes the password and keeps it in Secrets Manager: it is in no state and no variable.
  manage_master_user_password = true

  allocated_storage     = 20
  max_allocated_storage = 100
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.reports.name
  vpc_security_group_ids = [aws_security_group.reports.id]
  publicly_accessible    = false

  multi_az                   = true
  backup_retention_period    = 7
  auto_minor_version_upgrade = true
  deletion_protection        = true
  skip_final_snapshot        = false
  final_snapshot_identifier  = "${var.name}-reports-final"
}
