package report

import "strings"

// What is lost for good, or for long, when it is destroyed; the worst first.
const (
	PreciousDatabase = "database"
	PreciousBucket   = "bucket"
	PreciousVolume   = "volume"
	PreciousCluster  = "cluster"
	PreciousKey      = "key"
)

// precious are the kinds in the order in which they are told.
var precious = []string{PreciousDatabase, PreciousBucket, PreciousVolume, PreciousCluster, PreciousKey} //nolint:gochecknoglobals // a constant list; Go has no constant slices

// preciousTypes are resource types whose objects hold something that is not in the configuration.
var preciousTypes = map[string]string{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"aws_db_instance": PreciousDatabase, "aws_rds_cluster": PreciousDatabase, "aws_rds_cluster_instance": PreciousDatabase,
	"aws_rds_global_cluster": PreciousDatabase, "aws_db_cluster_snapshot": PreciousDatabase, "aws_db_snapshot": PreciousDatabase,
	"aws_dynamodb_table": PreciousDatabase, "aws_docdb_cluster": PreciousDatabase, "aws_docdb_cluster_instance": PreciousDatabase,
	"aws_neptune_cluster": PreciousDatabase, "aws_redshift_cluster": PreciousDatabase, "aws_memorydb_cluster": PreciousDatabase,
	"aws_elasticache_cluster": PreciousDatabase, "aws_elasticache_replication_group": PreciousDatabase,
	"aws_opensearch_domain": PreciousDatabase, "aws_elasticsearch_domain": PreciousDatabase, "aws_timestreamwrite_database": PreciousDatabase,
	"google_sql_database_instance": PreciousDatabase, "google_sql_database": PreciousDatabase, "google_spanner_instance": PreciousDatabase,
	"google_spanner_database": PreciousDatabase, "google_bigtable_instance": PreciousDatabase, "google_bigquery_dataset": PreciousDatabase,
	"google_bigquery_table": PreciousDatabase, "google_redis_instance": PreciousDatabase, "google_firestore_database": PreciousDatabase,
	"google_alloydb_cluster": PreciousDatabase,
	"azurerm_mssql_server":   PreciousDatabase, "azurerm_mssql_database": PreciousDatabase, "azurerm_postgresql_server": PreciousDatabase,
	"azurerm_postgresql_flexible_server": PreciousDatabase, "azurerm_mysql_flexible_server": PreciousDatabase,
	"azurerm_cosmosdb_account": PreciousDatabase, "azurerm_redis_cache": PreciousDatabase, "mongodbatlas_cluster": PreciousDatabase,
	"mongodbatlas_advanced_cluster": PreciousDatabase, "digitalocean_database_cluster": PreciousDatabase,

	"aws_s3_bucket": PreciousBucket, "google_storage_bucket": PreciousBucket, "azurerm_storage_account": PreciousBucket,
	"azurerm_storage_container": PreciousBucket, "digitalocean_spaces_bucket": PreciousBucket, "aws_ecr_repository": PreciousBucket,

	"aws_ebs_volume": PreciousVolume, "aws_ebs_snapshot": PreciousVolume, "aws_efs_file_system": PreciousVolume,
	"aws_fsx_lustre_file_system": PreciousVolume, "google_compute_disk": PreciousVolume, "google_filestore_instance": PreciousVolume,
	"azurerm_managed_disk": PreciousVolume, "kubernetes_persistent_volume_claim": PreciousVolume,
	"kubernetes_persistent_volume_claim_v1": PreciousVolume, "digitalocean_volume": PreciousVolume,

	"aws_eks_cluster": PreciousCluster, "aws_ecs_cluster": PreciousCluster, "aws_msk_cluster": PreciousCluster,
	"google_container_cluster": PreciousCluster, "azurerm_kubernetes_cluster": PreciousCluster,
	"digitalocean_kubernetes_cluster": PreciousCluster,

	"aws_kms_key": PreciousKey, "google_kms_crypto_key": PreciousKey, "azurerm_key_vault": PreciousKey, "azurerm_key_vault_key": PreciousKey,
	"aws_secretsmanager_secret": PreciousKey, "google_secret_manager_secret": PreciousKey, "tls_private_key": PreciousKey,
}

// Precious says what a resource type is whose loss hurts: "database", "cluster", "bucket", …; empty: it is none of them.
func Precious(resourceType string) string { return preciousTypes[strings.TrimSpace(resourceType)] }
