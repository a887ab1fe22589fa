# What the container runs. The super user is made with the storage, so that the broker knows it before it answers
# anybody; all others are made through it.
set -eu
umask 077
login='org.apache.kafka.common.security.scram.ScramLoginModule required'
{
  cat /etc/slotwright/server.properties
  printf 'advertised.listeners=CLIENT://%s\n' "$KAFKA_ADVERTISED"
  printf 'listener.name.client.scram-sha-512.sasl.jaas.config=%s username="admin" password="%s";\n' "$login" "$KAFKA_ADMIN_PASSWORD"
} > /tmp/server.properties
java -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --ignore-formatted --cluster-id c2xvdHdyaWdodC1sb2NhbA \
  --config /tmp/server.properties --add-scram "SCRAM-SHA-512=[name=admin,password=$KAFKA_ADMIN_PASSWORD]"
exec java -Xmx384m -XX:+UseSerialGC -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/server.properties
