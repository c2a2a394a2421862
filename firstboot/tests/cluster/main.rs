//! Clusters of machines in network namespaces, with real etcd; what must hold is asked of etcd itself.

mod balancer;
mod join;
mod life;
mod loss;
mod migrate;
mod scale;
mod support;
mod user_data;
mod voters;
