#!/bin/sh
# Creates or upgrades the databases of the Temporal server; does nothing where they are up to date.
# Runs in the image temporalio/admin-tools with SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD set.
set -eu

for store in temporal visibility; do
    case $store in
        temporal) database=temporal ;;
        visibility) database=temporal_visibility ;;
    esac
    temporal-sql-tool --plugin postgres12 --db "$database" create
    temporal-sql-tool --plugin postgres12 --db "$database" setup-schema --version 0.0
    temporal-sql-tool --plugin postgres12 --db "$database" update-schema \
        --schema-dir "/etc/temporal/schema/postgresql/v12/$store/versioned"
done
