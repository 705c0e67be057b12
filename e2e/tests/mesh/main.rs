//! The filter in a real mesh: Kubernetes' API server takes the objects, istiod and Istio's agent
//! configure the gateway. All tests share one mesh, one after the other, and each finds a gateway
//! that has done what the test before it applied and deleted.

mod admission;
mod bindings;
mod charts;
mod definitions;
mod delivery;
mod findings;
mod login;
mod mistakes;
mod plugins;
mod rendered;
mod status;
mod workloads;
mod world;

use std::process::ExitCode;

use gatepost_e2e::in_mesh;

use world::World;

/// A test: it panics when it fails.
type Test = fn(&mut World);

const TESTS: &[(&str, Test)] = &[
    ("a_plugin_on_the_public_listener_decides", plugins::on_the_public_listener),
    ("a_login_behind_a_mapped_domain_and_a_redirect_to_https_ends", login::through_a_mapped_domain),
    ("a_misspelt_field_is_refused_by_the_api_server", plugins::misspelt_field),
    ("an_envoyfilter_with_an_unknown_field_is_admitted_with_a_warning", plugins::unknown_field),
    ("an_envoyfilter_with_an_unknown_type_stops_every_change_of_listeners", plugins::unknown_type),
    ("a_policy_of_twenty_thousand_mappings_is_more_than_etcd_takes", plugins::too_large),
    ("a_running_gateway_keeps_its_policy_when_the_next_one_is_bad", plugins::bad_policy),
    ("a_plugin_made_anew_after_a_refused_policy_waits_for_a_change", plugins::made_anew),
    ("a_plugin_for_another_port_side_or_target_does_nothing", mistakes::without_effect),
    ("a_plugin_without_ports_refuses_what_the_local_gateway_serves", mistakes::without_ports),
    ("two_ways_to_attach_and_an_unknown_scheme_are_refused", mistakes::refused),
    ("mistakes_that_kubectl_accepts_are_found_in_what_it_prints", findings::of_a_live_mesh),
    ("the_folders_of_deploy_give_the_findings_that_they_should", findings::of_kustomizations),
    ("an_envoyfilter_in_the_wrong_place_or_by_another_name_is_found", findings::of_envoy_filters),
    (
        "a_route_to_all_of_the_agent_and_one_to_no_port_of_a_service_are_found",
        findings::of_destinations,
    ),
    ("what_an_istio_operator_makes_of_a_service_is_found", findings::of_an_istio_operator),
    ("a_gateway_takes_the_routes_in_which_nothing_is_found", bindings::taken_and_not),
    ("a_module_that_is_not_fetched_refuses_everybody_in_every_pod", mistakes::not_fetched),
    ("a_module_with_another_digest_refuses_everybody", mistakes::wrong_digest),
    ("a_pod_that_starts_with_a_bad_policy_is_ready_and_fails", mistakes::bad_policy_in_a_new_pod),
    ("a_gateway_shows_the_policy_that_it_runs_and_none_when_it_is_gone", status::of_a_plugin),
    ("a_refused_policy_is_counted_by_running_pods_alone", status::of_a_refused_policy),
    (
        "a_module_that_is_not_fetched_is_counted_by_the_agent",
        status::of_a_module_that_is_not_fetched,
    ),
    ("every_rendered_kind_of_plugin_decides", rendered::every_kind_decides),
    ("kubectl_reads_the_rendered_policy_as_its_author_meant_it", rendered::read_by_kubectl),
    ("an_object_with_a_placeholder_is_refused_by_the_api_server", rendered::placeholder),
    ("health_checks_reach_the_agent_of_the_pod_and_nothing_else_of_it", rendered::health_route),
    ("rendered_http_routes_serve_what_a_plugin_writes", rendered::gateway_api),
    ("one_virtual_host_serves_environments_that_nobody_lists", rendered::cluster_header),
    ("the_agent_reads_both_layouts_from_a_registry", delivery::from_a_registry),
    ("a_private_registry_must_name_a_url_as_its_realm", delivery::from_a_private_registry),
    ("a_file_that_is_missing_leaves_the_running_filter", delivery::missing_file),
    ("the_components_are_accepted_and_need_server_side_apply", delivery::components),
    ("the_chart_installs_upgrades_rolls_back_and_uninstalls", charts::life),
    ("manifests_that_helm_wrote_are_what_it_writes_today", charts::templates),
    ("the_chart_brings_the_module_and_leaves_it_to_running_pods", charts::with_the_module),
    ("one_release_for_each_environment_changes_nothing_at_the_gateway", charts::environments),
    ("a_deleted_pod_is_made_anew_and_a_deleted_deployment_ends_its_pods", workloads::made_anew),
    ("a_config_map_delivers_the_module_to_an_injected_gateway", workloads::config_map),
    ("a_gateway_api_gateway_gets_its_pod_and_its_plugin", workloads::gateway_api),
    ("a_kustomization_runs_and_answers_by_its_environment", workloads::kustomization),
    ("a_pod_that_cannot_run_says_why", workloads::cannot_run),
    ("objects_of_knative_and_gke_are_accepted_without_misspelt_fields", definitions::strict),
    ("a_plugin_of_the_load_balancer_stands_alone_in_its_chain", definitions::rules),
    // The others apply bad policies, so the webhook comes last, and goes again.
    ("the_webhook_denies_bad_policies_in_every_kind", admission::kinds),
    ("the_webhook_answers_every_way_to_apply", admission::ways),
    ("the_webhook_leaves_other_objects_alone", admission::others),
    ("the_webhook_judges_huge_deep_and_hostile_objects", admission::hostile),
    ("a_bad_object_that_was_there_before_the_webhook_can_be_deleted", admission::earlier),
    ("a_webhook_that_is_down_holds_up_plugins_or_lets_them_through", admission::down),
    ("a_new_certificate_of_the_webhook_fails_no_apply", admission::certificate),
    ("a_certificate_by_cert_manager_is_for_the_webhooks_service", admission::cert_manager),
    ("the_chart_installs_the_same_webhook", admission::chart),
    ("a_thousand_applies_leave_the_webhooks_memory_as_it_was", admission::thousand),
];

fn main() -> ExitCode {
    let from_a_settled_gateway = |&(name, test): &(&str, Test)| {
        let run = move |world: &mut World| {
            world.settle();
            test(world);
        };
        (name.to_owned(), Box::new(run) as _)
    };
    in_mesh::run(TESTS.iter().map(from_a_settled_gateway).collect(), World::start)
}
