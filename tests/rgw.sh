#!/bin/bash
# A single-node Ceph (mon + osd + RGW) on loopback, for tests against a real S3 store.  D=folder PORT=8000 rgw.sh start|stop
# Needs root and: apt-get install -y --no-install-recommends ceph-mon ceph-osd ceph-common radosgw uuid-runtime curl. User test / test-secret.
set -euo pipefail
D=${D:-${TMPDIR:-/tmp}/rgw}; PORT=${PORT:-8000}; MON=${MON:-13300}
export CEPH_CONF=$D/ceph.conf
start() {
  test ! -e "$D" || { echo "$D exists: stop first, then remove it" >&2; exit 2; }
  mkdir -p "$D"/{mon,osd/0,run,log,rgw}
  local id; id=$(uuidgen)
  cat >"$D/ceph.conf" <<EOC
[global]
fsid = $id
mon host = [v2:127.0.0.1:$MON/0]
auth cluster required = none
auth service required = none
auth client required = none
run dir = $D/run
log file = $D/log/\$name.log
admin socket = $D/run/\$name.asok
pid file = $D/run/\$name.pid
keyring = $D/keyring
ms bind msgr1 = false
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
ms client mode = crc
ms service mode = crc
ms cluster mode = crc
public addr = 127.0.0.1
cluster addr = 127.0.0.1
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon max pg per osd = 1000
[mon.a]
mon data = $D/mon/a
[osd]
osd data = $D/osd/\$id
osd objectstore = ${STORE:-bluestore}
bluestore block size = 21474836480
memstore device bytes = 4294967296
osd memory target = 939524096
[client.rgw]
rgw data = $D/rgw
rgw frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1
rgw crypt require ssl = false
EOC
  touch "$D/keyring"
  monmaptool --create --fsid "$id" --addv a "[v2:127.0.0.1:$MON/0]" "$D/monmap" >/dev/null
  ceph-mon --mkfs -i a --monmap "$D/monmap"
  ceph-mon -i a --setuser root --setgroup root
  local osd; osd=$(uuidgen); ceph osd create "$osd" >/dev/null
  ceph-osd -i 0 --mkfs --osd-uuid "$osd" --setuser root --setgroup root
  ceph-osd -i 0 --setuser root --setgroup root
  radosgw -n client.rgw --setuser root --setgroup root
  for _ in $(seq 200); do curl -sf -o /dev/null "http://127.0.0.1:$PORT/" && break; sleep 0.2; done
  radosgw-admin user create --uid=test --display-name=test --access-key=test --secret=test-secret >/dev/null
  echo "http://127.0.0.1:$PORT"
}
stop() {
  local pids; pids=$(cat "$D"/run/*.pid)
  for pid in $pids; do kill "$pid" || true; done
  for pid in $pids; do for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done; done
}
"${1:?start or stop}"
